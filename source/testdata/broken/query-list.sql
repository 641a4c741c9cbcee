/*---
source: lite
parameters:
  r: {type: text, many: true}
---*/
SELECT id FROM orders WHERE region = :r OR region IN (:r) ORDER BY id
