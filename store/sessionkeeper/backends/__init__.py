"""Where sessions are kept. A backend holds primitives and no rule."""
