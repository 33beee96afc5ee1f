"""HTTP routes: one file per user's resource."""
