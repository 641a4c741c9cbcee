/*---
source: shoop
---*/
SELECT id FROM orders ORDER BY id
