"""Makes a user with one policy, and the table: its access key, its secret, on standard output."""

import sys

import boto3

endpoint, region, table, policy = sys.argv[1:]
# Whoever comes first may do anything.
to = {
    "endpoint_url": endpoint,
    "region_name": region,
    "aws_access_key_id": "anyone",
    "aws_secret_access_key": "anything",
}
iam, dynamodb = boto3.client("iam", **to), boto3.client("dynamodb", **to)
iam.create_user(UserName="proxy")
iam.put_user_policy(UserName="proxy", PolicyName="fleet", PolicyDocument=policy)
key = iam.create_access_key(UserName="proxy")["AccessKey"]
dynamodb.create_table(
    TableName=table,
    BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "ServiceName", "KeyType": "HASH"}],
    AttributeDefinitions=[{"AttributeName": "ServiceName", "AttributeType": "S"}],
)
print(key["AccessKeyId"], key["SecretAccessKey"])
