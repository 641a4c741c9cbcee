/*---
source: shop
---*/
SELECT region FROM orders a JOIN orders b ON a.id = b.id ORDER BY 1
