/*---
source: shop
---*/
SELECT id FROM orders ORDER BY id
/*---
title: More
---*/
SELECT 2 AS two
