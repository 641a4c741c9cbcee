/*---
source: lite
parameters:
  r: {type: text}
---*/
SELECT id FROM orders WHERE region =(1):r OR region = :r ORDER BY id
