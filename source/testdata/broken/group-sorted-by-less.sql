/*---
source: shop
group: [region, day]
---*/
SELECT region, day, id FROM orders ORDER BY 1
