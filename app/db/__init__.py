"""All SQL. Query functions are plain synchronous functions of a Connection and serve both databases."""
