-- How far the content of another store was taken over. While a line is here no hub uses the database.
CREATE TABLE IF NOT EXISTS transfer (
    single boolean PRIMARY KEY CHECK (single),
    progress text NOT NULL
);
