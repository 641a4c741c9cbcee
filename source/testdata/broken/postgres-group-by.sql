/*---
source: shop
---*/
SELECT region, id, sum(amount) AS amount FROM orders GROUP BY region ORDER BY region
