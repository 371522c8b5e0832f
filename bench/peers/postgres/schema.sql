-- One draw in Postgres as its users write it: one function, one transaction, one round trip. The same rules as
-- ../redis/campaign.yaml: an idempotency key, a cap of 1,000 draws a day for a user, eight prizes by weight, stock, a record.
CREATE TABLE stock (prize int PRIMARY KEY, free bigint NOT NULL CHECK (free >= 0)) WITH (fillfactor = 20);
CREATE TABLE used (usr text, day date, n int NOT NULL, PRIMARY KEY (usr, day)) WITH (fillfactor = 80);
CREATE TABLE draws (usr text, key text, seq bigserial, at timestamptz NOT NULL DEFAULT clock_timestamp(), prize int, PRIMARY KEY (usr, key));
INSERT INTO stock SELECT p, 1000000000 FROM generate_series(1, 8) p;

CREATE FUNCTION draw(u text, k text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  seen draws%ROWTYPE;
  word int;
  won int;
BEGIN
  -- A key that was seen gives its first answer.
  SELECT * INTO seen FROM draws WHERE usr = u AND key = k;
  IF FOUND THEN
    RETURN seen.seq || ' ' || coalesce('win p' || seen.prize, 'miss');
  END IF;
  -- The cap, counted by calendar day.
  INSERT INTO used VALUES (u, current_date, 1) ON CONFLICT (usr, day) DO UPDATE SET n = used.n + 1 WHERE used.n < 1000;
  IF NOT FOUND THEN
    RETURN 'CAPPED day';
  END IF;
  word := floor(random() * 1000000);
  won := CASE WHEN word < 1 THEN 1 WHEN word < 11 THEN 2 WHEN word < 111 THEN 3 WHEN word < 1111 THEN 4 WHEN word < 11111 THEN 5
              WHEN word < 61111 THEN 6 WHEN word < 161111 THEN 7 WHEN word < 361111 THEN 8 END;
  INSERT INTO draws (usr, key, prize) VALUES (u, k, won) RETURNING * INTO seen;
  -- The stock last: its row is locked until the transaction is durable, and everybody who wins the same prize waits for it.
  IF won IS NOT NULL THEN
    UPDATE stock SET free = free - 1 WHERE prize = won AND free > 0;
    IF NOT FOUND THEN
      UPDATE draws SET prize = NULL WHERE usr = u AND key = k;
      won := NULL;
    END IF;
  END IF;
  RETURN seen.seq || ' ' || coalesce('win p' || won, 'miss');
END $$;
