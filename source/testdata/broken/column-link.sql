/*---
source: shop
columns:
  id: {link: "javascript:alert({id})"}
---*/
SELECT id FROM orders ORDER BY id
