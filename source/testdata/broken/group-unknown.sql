/*---
source: shop
group: [regoin]
---*/
SELECT region, id FROM orders ORDER BY region, id
