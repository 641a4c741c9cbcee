/*---
source: shop
group: {region: sum}
---*/
SELECT region, id FROM orders ORDER BY region, id
