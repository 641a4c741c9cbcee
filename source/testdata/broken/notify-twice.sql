/*---
source: shop
notify:
  - me
  - webhook:crm
  - me
---*/
SELECT id FROM orders ORDER BY id
