/*---
source: shop
csv: {delimiter: tabs, bom: yes please, dialect: unix, formulas: keep, line_end: cr}
---*/
SELECT id FROM orders ORDER BY id
