package portal

// assetPath is where the pictures of applications lie, by digest.
const assetPath = "/assets/"
