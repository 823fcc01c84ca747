"""The page: what a shift lead looks at. Server-rendered, on the admin API's own views and acts, everything from the package."""
