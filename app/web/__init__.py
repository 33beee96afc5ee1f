"""Pages: server-rendered HTML and SVG, live by server-sent events."""
