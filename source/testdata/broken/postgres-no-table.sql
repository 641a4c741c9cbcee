/*---
source: shop
---*/
SELECT id
FROM oders
ORDER BY id
