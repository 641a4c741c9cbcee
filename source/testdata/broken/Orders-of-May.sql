/*---
source: shop
---*/
SELECT 1 AS one
