"""Addresses of the artifact proxy; MLflow's own pages use the second form of each."""

from django.urls import URLPattern, path

from registry.mlflow_artifacts import addresses, parts, tree


def _under(top: str) -> list[URLPattern]:
    start = f"{top}/2.0/mlflow-artifacts"
    verbs = {"create": parts.create_view, "complete": parts.complete_view, "abort": parts.abort_view}
    return [
        path(f"{start}/artifacts", tree.folder_view),
        path(f"{start}/artifacts/<path:path>", tree.file_view),
        *(path(f"{start}/mpu/{verb}", view) for verb, view in verbs.items()),
        *(path(f"{start}/mpu/{verb}/", view) for verb, view in verbs.items()),
        *(path(f"{start}/mpu/{verb}/<path:folder>", view) for verb, view in verbs.items()),
        path(f"{start}/presigned/<path:path>", parts.presigned_view),
    ]


urlpatterns = [
    *_under("api"),
    *_under("ajax-api"),
    path("api/2.0/mlflow-artifacts/signed/file/<str:signed>", addresses.file_view, name="mlflow-artifacts-signed-file"),
    path("api/2.0/mlflow-artifacts/signed/part/<str:signed>", addresses.part_view, name="mlflow-artifacts-signed-part"),
]
