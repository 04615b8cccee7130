"""Documents of every kind: what their sheets are, and each as a picture."""
