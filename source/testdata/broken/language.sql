/*---
source: shop
title: {english: Orders, d: Aufträge}
---*/
SELECT id FROM orders ORDER BY id
