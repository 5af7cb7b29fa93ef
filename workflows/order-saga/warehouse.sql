-- The warehouse of the order saga: a database that belongs to somebody else. Run again, it brings the stock up again.

CREATE TABLE IF NOT EXISTS stock (
    sku       TEXT    NOT NULL PRIMARY KEY,
    quantity  INTEGER NOT NULL CHECK (quantity >= 0)
) STRICT;

CREATE TABLE IF NOT EXISTS reservations (
    number        INTEGER NOT NULL PRIMARY KEY,
    order_number  TEXT    NOT NULL UNIQUE,
    sku           TEXT    NOT NULL REFERENCES stock (sku),
    quantity      INTEGER NOT NULL CHECK (quantity > 0)
) STRICT;

-- What is in stock and not reserved. With it, reserving is one statement that inserts a row or, if the stock does not
-- suffice, none.
CREATE VIEW IF NOT EXISTS available AS
SELECT sku, quantity - (SELECT coalesce(sum(quantity), 0) FROM reservations WHERE reservations.sku = stock.sku) AS quantity
  FROM stock;

INSERT INTO stock (sku, quantity)
VALUES ('espresso-machine', 5), ('grinder', 20), ('descaler', 200)
ON CONFLICT (sku) DO UPDATE SET quantity = excluded.quantity;
