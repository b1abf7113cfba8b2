package facebook

// Fields are those that the Graph API is asked for.
const Fields = fields
