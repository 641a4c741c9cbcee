/*---
source: shop
title: [Orders, All]
---*/
SELECT id FROM orders ORDER BY id
