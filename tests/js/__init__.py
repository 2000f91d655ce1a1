"""progrock.js in Node, against the real server."""
