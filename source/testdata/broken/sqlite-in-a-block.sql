/*---
source: lite
parameters:
  r: {type: text, optional: true}
---*/
SELECT id FROM orders
[[ WHERE regio = :r ]]
ORDER BY id
