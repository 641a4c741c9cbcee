/*---
source: shop
csv: {delimiter: tabs, bom: yes please, dialect: unix, formulas: keep}
---*/
SELECT id FROM orders ORDER BY id
