"""An architecture as table, picture and costs."""
