"""When and how backends are asked: once for everybody."""
