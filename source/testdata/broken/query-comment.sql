/*---
source: shop
---*/
SELECT id FROM orders /* all of them ORDER BY id
