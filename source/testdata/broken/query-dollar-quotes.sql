/*---
source: shop
---*/
SELECT $tag$it$tagg$ AS one
