/*---
source: lite
---*/
SELECT id, sume(amount) AS s FROM orders GROUP BY id ORDER BY id
