/*---
source: shop
---*/
-- SELECT 1
