"""What the engines can do, feature by feature, with requests that show it."""
