"""The floors: bare programs without checks, retries or history, on the same engines and the same input."""
