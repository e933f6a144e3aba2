"""What runs inside the jobs: at the server, at a genuine site, and as fedlink's program."""
