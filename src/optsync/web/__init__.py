"""What an admin meets: server-rendered pages that say what is true, and change something only by POST."""
