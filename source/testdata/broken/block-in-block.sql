/*---
source: shop
parameters:
  r: {type: text, optional: true}
  s: {type: text, optional: true}
---*/
SELECT id FROM orders WHERE true [[ AND region = :r [[ AND region = :s ]] ]] ORDER BY id
