"""The public shelf at Naviyam's own addresses: `/files`, `/files/{name}`, `/uploadfile` and the page `/files_html`."""
