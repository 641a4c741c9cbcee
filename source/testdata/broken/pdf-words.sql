/*---
source: shop
pdf: {paper: a6, orientation: sideways, colour: blue}
---*/
SELECT id FROM orders ORDER BY id
