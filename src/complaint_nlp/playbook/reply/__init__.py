"""Reading a reply before it is sent."""
