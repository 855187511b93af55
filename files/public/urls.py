"""Naviyam's own addresses of files, as its old clients know them."""

from django.urls import path

from files.public import page, uploading, views

urlpatterns = [
    path("files", views.files, name="shelf"),
    path("files/<path:name>", views.file, name="shelf-file"),
    path("uploadfile", uploading.uploadfile, name="uploadfile"),
    path("files_html", page.shelf_page, name="shelf-page"),
    path("files_html/uploads/", page.begin_view, name="shelf-begin"),
    path("files_html/uploads/<uuid:pk>/", page.piece_view, name="shelf-piece"),
]
