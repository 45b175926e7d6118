"""The web app: pages, live updates and, mounted beside them, sign-in and the JSON API."""
