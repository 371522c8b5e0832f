\set user random(1, 1000000)
\set key random(1, 9000000000000000000)
SELECT draw('u' || :user, 'k' || :key);
