/*---
source: shop
title: Aufträge
---*/
SELECT 1 AS one
