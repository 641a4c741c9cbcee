/*---
source: shop
group: [region, region]
---*/
SELECT region, id FROM orders ORDER BY region, id
