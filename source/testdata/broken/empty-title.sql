/*---
source: shop
title: ""
---*/
SELECT id FROM orders ORDER BY id
