"""What the product says by itself: one message per problem, one when it is fixed, and silence while all is well."""
