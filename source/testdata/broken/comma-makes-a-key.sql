/*---
source: shop
parameters:
  region: {type: text, label: Region, or state}
---*/
SELECT id FROM orders WHERE region = :region ORDER BY id
