"""The board as a web page and an API for a team: `make serve`. Start reading at `app.build`, the table of contents."""
