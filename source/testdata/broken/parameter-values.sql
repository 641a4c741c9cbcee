/*---
source: shop
parameters:
  a: {type: int, default: ten, min: one}
  b: {type: text, pattern: "[a-"}
  c: {type: int, pattern: "[0-9]+"}
  d: {type: bool, options: [true]}
  e: {type: period, many: true}
  f: {type: text, optional: perhaps}
---*/
SELECT id FROM orders WHERE id = :a AND :b = region AND id = :c AND :d AND day >= :e.start AND region = :f ORDER BY id
