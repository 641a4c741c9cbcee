/*---
source: shop
columns:
  id:
    format: #,##0
---*/
SELECT id FROM orders ORDER BY id
